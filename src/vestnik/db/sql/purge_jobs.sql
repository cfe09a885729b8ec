-- Delete some jobs of a campaign that ended long ago, in their order, beyond the one given.
-- Locks in the order campaigns, jobs. A campaign that somebody else has locked is passed over, so that any number of
-- workers may purge at once and nobody waits for them. The first part sets purged_at, which retry-failed respects
-- from then on. The counters stay as they are: they are what is left to show.
WITH campaign AS MATERIALIZED (
    SELECT c.id, c.purged_at IS NULL AS is_first, p.total
    FROM public.campaigns c
    JOIN public.campaign_progress p ON p.campaign_id = c.id
    WHERE c.id = :campaign_id AND c.status IN ('COMPLETED', 'CANCELLED', 'FAILED')
      AND c.ended_at <= clock_timestamp() - CAST(:keep_for AS interval)
      AND p.queued = 0 AND p.sending = 0
    FOR NO KEY UPDATE OF c SKIP LOCKED
), doomed AS MATERIALIZED (
    SELECT d.id FROM campaign c
    CROSS JOIN LATERAL (
        SELECT j.id FROM public.jobs j
        -- a range of both columns: with an equality the planner may walk the primary key past all other campaigns
        WHERE (j.campaign_id, j.id) > (c.id, :after) AND (j.campaign_id, j.id) <= (c.id, 9223372036854775807)
        ORDER BY j.campaign_id, j.id
        LIMIT :batch
    ) d
), deleted AS (
    DELETE FROM public.jobs j USING doomed d WHERE j.id = d.id
    RETURNING j.id
), marked AS (
    UPDATE public.campaigns c SET purged_at = clock_timestamp()
    FROM campaign x
    WHERE c.id = x.id AND x.is_first
)
SELECT c.is_first, c.total, (SELECT count(*) FROM deleted)::int AS deleted,
       (SELECT max(d.id) FROM doomed d) AS last_id
FROM campaign c
