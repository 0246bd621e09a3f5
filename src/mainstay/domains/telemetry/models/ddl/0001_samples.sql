-- Samples and the series they belong to. Settings: control page, section 3.1 rules 3 and 4.
CREATE TABLE IF NOT EXISTS mainstay.samples
(
    tenant UInt32 CODEC(ZSTD(1)),
    series UInt64 CODEC(ZSTD(1)),
    ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    value Float64 CODEC(Delta(8), ZSTD(1)),
    keep UInt16 CODEC(ZSTD(1))
)
ENGINE = MergeTree
PARTITION BY (keep, toDate(ts))
ORDER BY (tenant, series, ts)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS mainstay.series
(
    tenant UInt32,
    series UInt64,
    metric LowCardinality(String),
    labels Map(LowCardinality(String), String),
    month UInt32,
    first_seen DateTime64(3, 'UTC'),
    target UUID
)
ENGINE = ReplacingMergeTree
PARTITION BY month
ORDER BY (tenant, metric, series)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS mainstay.series_by_label
(
    tenant UInt32,
    month UInt32,
    name LowCardinality(String),
    value String,
    series UInt64
)
ENGINE = ReplacingMergeTree
PARTITION BY month
ORDER BY (tenant, name, value, series)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS mainstay.metric_meta
(
    tenant UInt32,
    metric LowCardinality(String),
    type LowCardinality(String),
    unit LowCardinality(String),
    help String,
    seen DateTime64(3, 'UTC')
)
ENGINE = ReplacingMergeTree(seen)
ORDER BY (tenant, metric)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
