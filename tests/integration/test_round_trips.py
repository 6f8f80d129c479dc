"""What a batch waits for: one answer of S3 for each object."""

from dataclasses import replace

from tests.support.events import kinesis_event, kinesis_record
from tests.support.real_servers import ALL_DONE, Services
from tests.support.recording_proxy import recorded


async def test_a_put_does_not_wait_for_leave_to_send_the_object(services: Services) -> None:
    async with recorded(services.account.variables["AWS_ENDPOINT_URL"]) as recording:
        variables = {**services.account.variables, "AWS_ENDPOINT_URL": recording.url}
        behind_proxy = replace(services, account=replace(services.account, variables=variables))
        good = kinesis_record({"product_id": "a", "inventory": 1}, 0)
        assert await behind_proxy.invoke(kinesis_event(good, kinesis_record("garbage", 1))) == ALL_DONE
    puts = [request for request in recording.requests if request.method == "PUT"]
    assert len(puts) == 2
    assert not [request for request in puts if "Expect" in request.headers]
