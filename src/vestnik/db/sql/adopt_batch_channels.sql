-- Which channels are in which batch, in the order that is told, else in that in which they were added.
CREATE TEMPORARY TABLE new_batch_channels ON COMMIT DROP AS
WITH found AS (
    SELECT o.place, o.tid, o.id AS legacy_id, o.sort, o.created_at, b.id AS batch_id, c.kept_id AS channel_id,
           c.kept_id <> c.id AS is_merged
    FROM old_batch_channels o
    LEFT JOIN new_batches b ON b.legacy_id = o.batch_id AND b.reason IS NULL
    LEFT JOIN new_channels c ON c.legacy_id = o.channel_id AND c.kept_id IS NOT NULL
), ranked AS (
    SELECT f.*, row_number() OVER (PARTITION BY f.batch_id, f.channel_id ORDER BY f.is_merged, f.place) AS copy,
           row_number() OVER (ORDER BY f.batch_id, f.sort NULLS LAST, f.created_at NULLS LAST, f.place) AS position
    FROM found f
)
SELECT r.place, r.tid, r.legacy_id, r.batch_id, r.channel_id, r.position,
       CASE WHEN r.batch_id IS NULL THEN 'NO_BATCH' WHEN r.channel_id IS NULL THEN 'NO_CHANNEL'
            WHEN r.copy > 1 THEN 'DUPLICATE_MEMBER' END AS reason,
       CASE WHEN r.is_merged THEN ARRAY['CHANNEL_MERGED'] ELSE '{}' END AS changes
FROM ranked r
