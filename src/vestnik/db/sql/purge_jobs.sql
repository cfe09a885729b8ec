-- Delete some jobs of a campaign that ended long ago, in the order of their channels, beyond the one given.
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
    SELECT d.id, d.channel_id FROM campaign c
    CROSS JOIN LATERAL (
        SELECT j.id, j.channel_id FROM public.jobs j
        WHERE j.campaign_id = c.id AND j.channel_id > CAST(:after AS uuid)
        ORDER BY j.channel_id
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
       (SELECT d.channel_id FROM doomed d ORDER BY d.channel_id DESC LIMIT 1) AS last_channel_id
FROM campaign c
