// Requests to the console's server. GET reads; POST has the page's token, without which it is refused.

const TOKEN = document.querySelector("meta[name=console-token]").content;

export const isLocal = document.body.dataset.kind === "local";
export const environment = document.querySelector("h1").textContent;

export const get = (path, parameters = {}) => {
  const query = new URLSearchParams(Object.entries(parameters).filter(([, value]) => value !== null && value !== ""));
  return ask(query.size ? `${path}?${query}` : path);
};

export const post = (path, body = {}) =>
  ask(path, {
    method: "POST",
    headers: { "content-type": "application/json", "x-console-token": TOKEN },
    body: JSON.stringify(body),
  });

async function ask(path, options) {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("the console's program does not answer: has it ended?");
  }
  const text = await answer.text();
  let document;
  try {
    document = JSON.parse(text);
  } catch {
    throw new Error(text.trim() || `the console answered ${answer.status}`);
  }
  if (!answer.ok) throw new Error(document.error);
  return document;
}

// The names of `handlers` are those of the server's events. The browser connects again by itself.
export function listen(handlers, onConnection) {
  const events = new EventSource("api/events");
  events.addEventListener("open", () => onConnection(true));
  events.addEventListener("error", () => onConnection(false));
  for (const [name, handle] of Object.entries(handlers)) {
    events.addEventListener(name, (event) => handle(JSON.parse(event.data)));
  }
}
