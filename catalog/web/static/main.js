// The console page: what the server sends, and where it is shown.

import { get, listen } from "./api.js";
import { showAverage, showBatches, showFlow } from "./flow.js";
import { showPart, troubles } from "./parts.js";
import { openProduct } from "./product.js";
import { openQuarantine, quarantineChanged } from "./quarantine.js";
import { showSwitches } from "./switches.js";
import { showVerdicts } from "./verdicts.js";

const connection = document.querySelector("#connection");
let isConnected = false;

// The key is in a cookie now; an address without it can be shown to others.
if (location.search) history.replaceState(null, "", location.pathname);

function tell() {
  const away = troubles();
  const [kind, text] = !isConnected ? ["bad", "not connected: has the program ended?"] : away.length ? ["bad", `look at: ${away.join(", ")}`] : ["ok", "all is well"];
  if (connection.textContent === text) return;
  connection.className = `state ${kind}`;
  connection.textContent = text;
}

const parts = ["alarms", "lag", "throughput", "failures", "rejections", "pending", "database", "cache"];
const handlers = Object.fromEntries(parts.map((name) => [`part-${name}`, (data) => {
  showPart(name, data);
  if (name === "rejections" && !data.part.error) quarantineChanged(data.part.by_reason);
  tell();
}]));

listen(
  {
    ...handlers,
    flow: showFlow,
    batches: showBatches,
    stages: showAverage,
    verdicts: showVerdicts,
    switches: showSwitches,
    fault: ({ error }) => { connection.className = "state bad"; connection.textContent = error; },
  },
  (connected) => {
    isConnected = connected;
    tell();
  },
);

openQuarantine();
openProduct();
