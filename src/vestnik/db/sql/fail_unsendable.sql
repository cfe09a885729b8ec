-- End queued jobs of a campaign that no claim will ever take: the pair or the channel is inactive, or ten claims have
-- not settled whether the post went out. The campaign is locked only once there is such a job: the search reads all that
-- is queued, and claims of the account would wait for it. Posts may be recorded meanwhile, which are not queued.
WITH candidate AS MATERIALIZED (
    SELECT j.id,
           CASE WHEN j.maybe_sent AND j.claims >= 10 THEN 'UNKNOWN_OUTCOME'
                WHEN NOT ch.is_active OR NOT coalesce(p.is_active, true) THEN 'CHANNEL_INACTIVE' END AS reason
    FROM public.jobs j
    JOIN public.channels ch ON ch.id = j.channel_id
    LEFT JOIN public.channel_peers p ON p.account_id = j.account_id AND p.channel_id = j.channel_id
    WHERE j.campaign_id = :campaign_id AND j.status = 'QUEUED'
      AND (NOT ch.is_active OR NOT coalesce(p.is_active, true) OR j.maybe_sent AND j.claims >= 10)
), campaign AS MATERIALIZED (
    SELECT c.id FROM public.campaigns c
    WHERE c.id = :campaign_id AND c.status = 'RUNNING' AND EXISTS (SELECT FROM candidate)
    FOR NO KEY UPDATE
), locked AS MATERIALIZED (
    SELECT j.id, k.reason, j.maybe_sent
    FROM campaign c
    JOIN public.jobs j ON j.campaign_id = c.id
    JOIN candidate k ON k.id = j.id
    WHERE j.status = 'QUEUED'
    ORDER BY j.id
    FOR NO KEY UPDATE OF j
), moved AS (
    UPDATE public.jobs j
    SET status = 'FAILED', failed_at = clock_timestamp(),
        error_code = CASE WHEN l.maybe_sent THEN 'UNKNOWN_OUTCOME' ELSE l.reason END,
        error_message = CASE
            WHEN l.maybe_sent THEN 'Telegram never confirmed whether this post went out; it may be in the channel.'
            ELSE 'The channel was deactivated before its turn came.' END
    FROM locked l
    WHERE j.id = l.id
    RETURNING j.id
), counter AS MATERIALIZED (
    -- Locked first, and all counters taken from here: an UPDATE checks constraints on the row of its snapshot before
    -- it notices that another transaction has changed that row meanwhile.
    SELECT p.* FROM public.campaign_progress p
    WHERE p.campaign_id = :campaign_id AND EXISTS (SELECT 1 FROM moved)
    ORDER BY p.campaign_id
    FOR NO KEY UPDATE
), progress AS (
    UPDATE public.campaign_progress p
    -- Nothing was sent, so the error-rate brake does not count these.
    SET total = x.total, queued = x.queued - m.n, sending = x.sending, sent = x.sent, failed = x.failed + m.n,
        cancelled = x.cancelled, brake_failed = x.brake_failed + m.n,
        version = x.version + 1, updated_at = clock_timestamp()
    FROM counter x CROSS JOIN (SELECT count(*)::int AS n FROM moved) m
    WHERE p.campaign_id = x.campaign_id AND m.n > 0
    RETURNING p.campaign_id, p.queued, p.sending, m.n
), finished AS (
    UPDATE public.campaigns c
    SET status = 'COMPLETED', ended_at = clock_timestamp(), updated_at = clock_timestamp()
    FROM progress p
    WHERE c.id = p.campaign_id AND p.queued = 0 AND p.sending = 0 AND c.expanded_at IS NOT NULL
      AND c.status = 'RUNNING'
    RETURNING c.id
), audited AS (
    INSERT INTO public.audit_logs (actor_kind, actor, action, entity_type, entity_id, after)
    SELECT 'SYSTEM', 'engine', 'campaign.completed', 'campaign', id, jsonb_build_object('status', 'COMPLETED')
    FROM finished
)
SELECT p.n, EXISTS (SELECT 1 FROM finished) AS campaign_finished FROM progress p
