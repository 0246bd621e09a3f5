-- Log lines, events and check results.
CREATE TABLE IF NOT EXISTS mainstay.logs
(
    tenant UInt32 CODEC(ZSTD(1)),
    ts DateTime64(9, 'UTC') CODEC(Delta, ZSTD(1)),
    seen DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    source UUID CODEC(ZSTD(1)),
    origin LowCardinality(String),
    severity UInt8,
    facility UInt8,
    host LowCardinality(String),
    app LowCardinality(String),
    pid UInt32,
    msgid String,
    body String CODEC(ZSTD(3)),
    attrs Map(LowCardinality(String), String),
    trace_id String,
    raw String,
    keep UInt16 CODEC(ZSTD(1)),
    INDEX body_tokens lower(body) TYPE tokenbf_v1(8192, 3, 0) GRANULARITY 4
)
ENGINE = MergeTree
PARTITION BY (keep, toDate(ts))
ORDER BY (tenant, toStartOfFifteenMinutes(ts), source, ts)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS mainstay.events
(
    tenant UInt32,
    ts DateTime64(3, 'UTC'),
    seen DateTime64(3, 'UTC'),
    kind LowCardinality(String),
    subject UUID,
    source LowCardinality(String),
    severity UInt8,
    key String,
    payload String CODEC(ZSTD(3)),
    keep UInt16
)
ENGINE = MergeTree
PARTITION BY (keep, toYYYYMM(ts))
ORDER BY (tenant, kind, ts)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS mainstay.results
(
    tenant UInt32,
    ts DateTime64(3, 'UTC'),
    check UInt64,
    vantage LowCardinality(String),
    state LowCardinality(String),
    attempt UInt8,
    t_start DateTime64(3, 'UTC'),
    t_end DateTime64(3, 'UTC'),
    reason LowCardinality(String),
    output String CODEC(ZSTD(3)),
    keep UInt16
)
ENGINE = MergeTree
PARTITION BY (keep, toDate(ts))
ORDER BY (tenant, check, ts)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
