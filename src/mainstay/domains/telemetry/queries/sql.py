"""Every statement that reads the telemetry engine.

Invariant: constant text; each table is limited to `{tenants}` in its own WHERE; no SETTINGS clause, because a nested one
would defeat the filter that the connection sets. A test parses all of them.
"""

from mainstay.domains.telemetry.models.engine import Statement

# Two samples of one series and instant are one: the larger value wins (control page, section 3.1 rule 9).
BUCKETS = Statement("""
SELECT series, bucket, min(value) AS low, max(value) AS high, argMax(value, ts) AS last
FROM (
    SELECT series, ts, max(samples.value) AS value, intDiv(toUnixTimestamp64Milli(ts), {step_ms:Int64}) AS bucket
    FROM mainstay.samples AS samples
    WHERE tenant IN {tenants:Array(UInt32)} AND series IN {series:Array(UInt64)}
        AND ts >= fromUnixTimestamp64Milli({from_ms:Int64}) AND ts < fromUnixTimestamp64Milli({to_ms:Int64})
    GROUP BY series, ts
)
GROUP BY series, bucket
ORDER BY series, bucket
""")


def _rolled(table: str) -> Statement:
    """The same over five-minute or hourly rows; a bucket that was computed again counts once, by its newest computation."""
    return Statement(
        """
SELECT series, bucket, min(low) AS low, max(high) AS high, argMax(last, last_ts) AS last
FROM (
    SELECT series, ts, argMax(r.min, ver) AS low, argMax(r.max, ver) AS high, argMax(r.last, ver) AS last,
        argMax(r.last_ts, ver) AS last_ts, intDiv(toUnixTimestamp64Milli(ts) - 1, {step_ms:Int64}) AS bucket
    FROM mainstay.TABLE AS r
    WHERE tenant IN {tenants:Array(UInt32)} AND series IN {series:Array(UInt64)}
        AND ts > fromUnixTimestamp64Milli({from_ms:Int64}) AND ts <= fromUnixTimestamp64Milli({to_ms:Int64})
    GROUP BY series, ts
)
GROUP BY series, bucket
ORDER BY series, bucket
""".replace("TABLE", table)
    )


BUCKETS_5M = _rolled("samples_5m")
BUCKETS_1H = _rolled("samples_1h")

LATEST = Statement("""
SELECT series, toUnixTimestamp64Milli(max(ts)) AS at_ms, argMax(value, (ts, value)) AS last
FROM mainstay.samples
WHERE tenant IN {tenants:Array(UInt32)} AND series IN {series:Array(UInt64)} AND ts >= fromUnixTimestamp64Milli({from_ms:Int64})
GROUP BY series
ORDER BY series
""")

TRENDS = Statement("""
SELECT series, count() AS n, toUnixTimestamp64Milli(min(ts)) AS first_ms, argMax(value, ts) AS last,
    covarPop((toUnixTimestamp64Milli(ts) - {from_ms:Int64}) / 1000, value)
        / varPop((toUnixTimestamp64Milli(ts) - {from_ms:Int64}) / 1000) AS slope
FROM mainstay.samples
WHERE tenant IN {tenants:Array(UInt32)} AND series IN {series:Array(UInt64)} AND ts >= fromUnixTimestamp64Milli({from_ms:Int64})
GROUP BY series
ORDER BY series
""")

LOGS = Statement("""
SELECT toUnixTimestamp64Nano(ts) AS at_ns, toString(source) AS device, origin, severity, app, pid, body
FROM mainstay.logs
WHERE tenant IN {tenants:Array(UInt32)}
    AND ts >= fromUnixTimestamp64Milli({from_ms:Int64}) AND ts < fromUnixTimestamp64Milli({to_ms:Int64})
    AND (empty({sources:Array(String)}) OR toString(source) IN {sources:Array(String)})
    AND severity <= {severity:UInt8}
    AND ({text:String} = '' OR positionCaseInsensitiveUTF8(body, {text:String}) > 0)
ORDER BY ts DESC
LIMIT {limit:UInt32}
""")

COUNT_SAMPLES = Statement("""
SELECT count() AS n FROM mainstay.samples WHERE tenant IN {tenants:Array(UInt32)}
""")

ALL = {
    "buckets": BUCKETS,
    "buckets_5m": BUCKETS_5M,
    "buckets_1h": BUCKETS_1H,
    "latest": LATEST,
    "trends": TRENDS,
    "logs": LOGS,
    "count_samples": COUNT_SAMPLES,
}
