-- Samples in buckets of five minutes and of an hour: computed by a job, the newest computation of a bucket counts.
CREATE TABLE IF NOT EXISTS mainstay.samples_5m
(
    tenant UInt32 CODEC(ZSTD(1)),
    series UInt64 CODEC(ZSTD(1)),
    ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    n UInt64 CODEC(ZSTD(1)),
    sum Float64 CODEC(ZSTD(1)),
    min Float64 CODEC(ZSTD(1)),
    max Float64 CODEC(ZSTD(1)),
    first Float64 CODEC(ZSTD(1)),
    last Float64 CODEC(ZSTD(1)),
    first_ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    last_ts DateTime64(3, 'UTC') CODEC(Delta, ZSTD(1)),
    ver UInt64 CODEC(ZSTD(1)),
    keep UInt16 CODEC(ZSTD(1))
)
ENGINE = ReplacingMergeTree(ver)
PARTITION BY (keep, toYYYYMM(ts))
ORDER BY (tenant, series, ts)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;

CREATE TABLE IF NOT EXISTS mainstay.samples_1h AS mainstay.samples_5m
ENGINE = ReplacingMergeTree(ver)
PARTITION BY (keep, toYYYYMM(ts))
ORDER BY (tenant, series, ts)
SETTINGS non_replicated_deduplication_window = 10000, fsync_after_insert = 1, fsync_part_directory = 1,
    min_rows_to_fsync_after_merge = 1, old_parts_lifetime = 480;
