"""Defects in readers, leases, invalidation, and the drain of pending invalidations."""

from reliability.defects.defect import Simulation, defects_in

_SIMULATE = Simulation()
_RARE = Simulation(histories=600)
_CACHE = "processor/adapters/cache.py"
_READER = "processor/reader.py"
_LEASES = "tests/unit/test_leases.py"
_DRAIN = "processor/pending_invalidations.py"
_CATALOG = "processor/adapters/catalog.py"
_TESTS_OF_DRAIN = "tests/unit/test_pending_invalidations.py::"
_ON_SERVERS = "tests/integration/test_pending_invalidations.py::"

CACHE = [
    *defects_in(
        _CACHE,
        "I4",
        _LEASES,
        ("plain delete without leases", "*map(lease_key, some), ", ""),
    ),
    *defects_in(
        _CACHE,
        "I5",
        _RARE,
        (
            "errors of the cache swallowed",
            'raise CacheUnavailableError(f"cache: {reason_of(error)}") from error',
            "del error",
        ),
    ),
    *defects_in(
        _CACHE,
        "I6",
        _SIMULATE,
        (
            "without the cache, batches fail",
            "except (RedisError, OSError) as error:",
            "except ZeroDivisionError as error:",
        ),
    ),
    *defects_in(
        _CACHE,
        "I6",
        "tests/integration/test_invalidation.py::test_a_silent_cache_is_given_up_in_time_and_found_again",
        (
            "a cache that is waited for without a limit",
            "            async with asyncio.timeout(within_seconds):\n"
            "                async with asyncio.timeout(within_seconds * _CONNECT_SHARE):\n",
            "            if True:\n                if True:\n",
        ),
    ),
    *defects_in(
        "processor/adapters/redis_client.py",
        "progress",
        "tests/integration/test_invalidation.py::test_a_connection_to_a_replica_is_replaced",
        ("the primary of before a failover kept", ", ReadOnlyError)),", ")),"),
    ),
    *defects_in(
        "processor/adapters/redis_client.py",
        "progress",
        "tests/integration/test_invalidation.py"
        "::test_a_login_that_was_given_up_leaves_no_connection_without_one",
        (
            "a connection kept whose login was given up",
            "    except BaseException:\n        await connection.disconnect(nowait=True)\n",
            "    except ZeroDivisionError:\n",
        ),
    ),
    *defects_in(
        "processor/cache_keys.py",
        "I4",
        _SIMULATE,
        ("cached for an hour", "CACHE_TIME_TO_LIVE_SECONDS = 300", "CACHE_TIME_TO_LIVE_SECONDS = 3600"),
    ),
    *defects_in(
        _READER,
        "I4",
        _SIMULATE,
        ("cached for ever", "ARGV[2], 'EX', ARGV[3])", "ARGV[2])"),
    ),
    *defects_in(
        _READER,
        "I4",
        _LEASES,
        (
            "stored without a lease",
            "if redis.call('GET', KEYS[2]) ~= ARGV[1] then return 0 end\n",
            "",
        ),
    ),
    *defects_in(
        _DRAIN,
        "progress",
        _SIMULATE,
        ("a schedule that drains nothing", "            await _drain_pages(ports, report)\n", ""),
    ),
    *defects_in(
        _DRAIN,
        "I4",
        _TESTS_OF_DRAIN + "test_a_drain_that_fails_removes_nothing",
        (
            "rows deleted before UNLINK",
            "            await ports.cache.invalidate(product_ids, within",
            "            await ports.catalog.remove_pending_invalidations(pending)\n"
            "            await ports.cache.invalidate(product_ids, within",
        ),
    ),
    *defects_in(
        _DRAIN,
        "I4",
        _TESTS_OF_DRAIN + "test_one_added_after_the_delete_is_kept",
        (
            "rows read again after UNLINK",
            "            # Only those read before the delete: one added since may be for a newer value.\n",
            "            pending = await ports.catalog.pending_invalidations(PAGE_OF_SCHEDULE) or pending\n",
        ),
    ),
    *defects_in(
        _DRAIN,
        "I4",
        _ON_SERVERS + "test_pending_invalidations_older_than_any_cached_value_are_removed",
        (
            "pending invalidations that expire at once",
            "EXPIRED_AFTER_SECONDS = CACHE_TIME_TO_LIVE_SECONDS + LEASE_SECONDS + 20",
            "EXPIRED_AFTER_SECONDS = 1",
        ),
    ),
    *defects_in(
        _DRAIN,
        "progress",
        _ON_SERVERS + "test_a_drain_that_failed_leaves_the_next_process_free_to_drain",
        ("a drain that does not end", "            await ports.catalog.end_drain()\n", "            pass\n"),
    ),
    *defects_in(
        "processor/batch.py",
        "progress",
        _TESTS_OF_DRAIN + "test_the_next_batch_drains_pending_invalidations",
        ("batches that do not drain", "if report.has_pending_invalidations and", "if False and"),
    ),
    *defects_in(
        _CATALOG,
        "I4",
        _ON_SERVERS + "test_a_product_added_while_it_is_drained_is_drained_again",
        (
            "a product pending again keeps its id",
            "DO UPDATE SET id = DEFAULT, missed_at = now()",
            "DO NOTHING",
        ),
        (
            "a drain that removes newer rows",
            "((product_id, id) IN (SELECT * FROM unnest($1::text[], $2::bigint[]))) IS TRUE",
            "product_id = ANY($1::text[]) AND cardinality($2::bigint[]) > 0",
        ),
    ),
    *defects_in(
        _CATALOG,
        "progress",
        "tests/contract/test_catalog.py::test_only_one_process_drains_at_a_time",
        ("two drains at a time", "WHERE held_by = $1 OR held_until < now()", "WHERE true"),
    ),
]
