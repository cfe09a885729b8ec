-- End the next part of what a cancelled or failed campaign still has queued. The caller holds the campaign's row lock.
-- A job that may have been posted cannot be called cancelled: its outcome is unknown and it is listed as such.
WITH locked AS MATERIALIZED (
    SELECT id, maybe_sent FROM public.jobs
    -- two parts, because open and returned jobs have an index each
    WHERE status = 'QUEUED' AND id IN (
        (SELECT id FROM public.jobs
         WHERE campaign_id = :campaign_id AND queue_part = 'OPEN'
           AND CASE status WHEN 'QUEUED' THEN true ELSE false END -- as in claim_jobs
         LIMIT :chunk)
        UNION ALL
        (SELECT id FROM public.jobs
         WHERE campaign_id = :campaign_id AND queue_part = 'RETURNED' LIMIT :chunk))
    ORDER BY id
    FOR NO KEY UPDATE
), moved AS (
    UPDATE public.jobs j
    SET status = CASE WHEN l.maybe_sent THEN 'FAILED' ELSE 'CANCELLED' END,
        error_code = CASE WHEN l.maybe_sent THEN 'UNKNOWN_OUTCOME' ELSE j.error_code END,
        error_message = CASE WHEN l.maybe_sent
            THEN 'The campaign ended before it was clear whether this post went out.'
            ELSE j.error_message END,
        failed_at = CASE WHEN l.maybe_sent THEN clock_timestamp() ELSE j.failed_at END
    FROM locked l
    WHERE j.id = l.id
    RETURNING l.maybe_sent
), delta AS (
    SELECT count(*)::int AS n, (count(*) FILTER (WHERE maybe_sent))::int AS unknown FROM moved
)
UPDATE public.campaign_progress p
SET queued = p.queued - d.n, cancelled = p.cancelled + d.n - d.unknown, failed = p.failed + d.unknown,
    version = p.version + 1, updated_at = clock_timestamp()
FROM delta d
WHERE p.campaign_id = :campaign_id
RETURNING p.queued
