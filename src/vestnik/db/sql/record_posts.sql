-- Record posts that went out, as record_results does, for claims that still stand: the usual case, at half the cost,
-- as no job is locked before its update and no channel is read that never failed. The others have no row in the answer.
-- The status to be found is a column of the results: as a constant, it has the planner count on hardly any.
-- Locks in the order campaigns, jobs, progress, channel_peers. A campaign that cannot end or brake with these posts is
-- locked against whoever moves its jobs otherwise, but not against claims: these are one half of the work, this is the
-- other, and both wait for each other only from the counters to the commit.
WITH result AS MATERIALIZED (
    SELECT r.*, 'SENDING' AS status FROM unnest(
        CAST(:job_ids AS bigint[]), CAST(:epochs AS bigint[]), CAST(:claims AS int[]), CAST(:message_ids AS bigint[])
    ) AS r (job_id, claim_epoch, claims, message_id)
), named AS MATERIALIZED (
    SELECT DISTINCT j.campaign_id AS id FROM public.jobs j WHERE j.id = ANY (CAST(:job_ids AS bigint[]))
), near AS MATERIALIZED (
    -- Posts end a campaign only when nothing is queued, and as they lower the share of failures, they can brake only one
    -- whose share was above its limit before.
    SELECT EXISTS (
        SELECT FROM named n
        JOIN public.campaigns c ON c.id = n.id
        JOIN public.campaign_progress p ON p.campaign_id = n.id
        WHERE p.queued = 0
           OR p.failed - p.brake_failed
              > c.max_error_rate * (p.sent - p.brake_sent + p.failed - p.brake_failed)) AS may_settle
), settling AS MATERIALIZED (
    SELECT c.id FROM public.campaigns c
    WHERE c.id = ANY (ARRAY(SELECT id FROM named)) AND (SELECT may_settle FROM near)
    ORDER BY c.id
    FOR NO KEY UPDATE
), going_on AS MATERIALIZED (
    SELECT c.id FROM public.campaigns c
    WHERE c.id = ANY (ARRAY(SELECT id FROM named)) AND NOT (SELECT may_settle FROM near)
    ORDER BY c.id
    FOR KEY SHARE
), campaign AS MATERIALIZED (
    SELECT id FROM settling UNION ALL SELECT id FROM going_on
), posted AS (
    UPDATE public.jobs j
    SET status = 'SENT', maybe_sent = false, message_ids = ARRAY[r.message_id],
        error_code = NULL, error_message = NULL, sent_at = clock_timestamp(), failed_at = NULL
    FROM result r, campaign c
    WHERE j.id = ANY (CAST(:job_ids AS bigint[])) AND j.id = r.job_id AND c.id = j.campaign_id
      AND j.status = r.status AND j.claim_epoch = r.claim_epoch AND j.claims = r.claims
    RETURNING j.id, j.campaign_id, j.account_id, j.channel_id
), delta AS (
    SELECT campaign_id, count(*)::int AS sent FROM posted GROUP BY campaign_id
), counter AS MATERIALIZED (
    -- Locked first, and all counters taken from here: an UPDATE checks constraints on the row of its snapshot before
    -- it notices that another transaction has changed that row meanwhile. The clock is read once, because all that
    -- is counted by the minute has to be in the same one.
    SELECT p.*, date_trunc('minute', clock_timestamp()) AS this_minute FROM public.campaign_progress p
    WHERE p.campaign_id IN (SELECT campaign_id FROM delta)
    ORDER BY p.campaign_id
    FOR NO KEY UPDATE
), progress AS (
    UPDATE public.campaign_progress p
    SET total = x.total, queued = x.queued, sending = x.sending - d.sent, sent = x.sent + d.sent,
        failed = x.failed, cancelled = x.cancelled, version = x.version + 1,
        updated_at = clock_timestamp(),
        minute_started_at = x.this_minute,
        minute_sent = d.sent + CASE WHEN x.minute_started_at = x.this_minute THEN x.minute_sent ELSE 0 END,
        previous_minute_sent = CASE x.this_minute - x.minute_started_at
            WHEN interval '0' THEN x.previous_minute_sent WHEN interval '1 minute' THEN x.minute_sent ELSE 0 END
    FROM delta d JOIN counter x ON x.campaign_id = d.campaign_id
    WHERE p.campaign_id = d.campaign_id
    RETURNING p.campaign_id, p.queued, p.sending, p.sent - p.brake_sent AS sent, p.failed - p.brake_failed AS failed
), peer AS MATERIALIZED (
    SELECT p.account_id, p.channel_id FROM public.channel_peers p
    JOIN posted d ON d.account_id = p.account_id AND d.channel_id = p.channel_id
    WHERE p.consecutive_failures > 0
    ORDER BY p.channel_id
    FOR NO KEY UPDATE OF p
), peers AS (
    UPDATE public.channel_peers p SET consecutive_failures = 0
    FROM peer x
    WHERE p.account_id = x.account_id AND p.channel_id = x.channel_id
), settled AS (
    -- A campaign without anything left is completed. One with too many failures since its last start or resume
    -- pauses itself, if at least brake_results results say so.
    UPDATE public.campaigns c
    SET status = CASE WHEN p.is_done THEN 'COMPLETED' ELSE 'PAUSED' END,
        pause_reason = CASE WHEN p.is_done THEN NULL ELSE 'ERROR_RATE' END,
        status_detail = CASE WHEN p.is_done THEN NULL ELSE format(
            '%s of the last %s results were failures, more than the permitted %s %%.',
            p.failed, p.sent + p.failed, round(c.max_error_rate * 100, 1)) END,
        ended_at = CASE WHEN p.is_done THEN clock_timestamp() ELSE c.ended_at END,
        updated_at = clock_timestamp()
    FROM (SELECT *, queued = 0 AND sending = 0 AS is_done FROM progress) p
    WHERE c.id = p.campaign_id AND c.id IN (SELECT id FROM settling)
      AND (p.is_done AND c.expanded_at IS NOT NULL AND c.status IN ('RUNNING', 'PAUSED')
           OR NOT p.is_done AND c.status = 'RUNNING' AND p.sent + p.failed >= :brake_results
              AND p.failed > c.max_error_rate * (p.sent + p.failed))
    RETURNING c.id, c.status, c.status_detail
), audited AS (
    INSERT INTO public.audit_logs (actor_kind, actor, action, entity_type, entity_id, after)
    SELECT 'SYSTEM', 'engine', CASE status WHEN 'PAUSED' THEN 'campaign.paused' ELSE 'campaign.completed' END,
           'campaign', id, jsonb_strip_nulls(jsonb_build_object(
               'status', status, 'reason', CASE status WHEN 'PAUSED' THEN 'ERROR_RATE' END, 'detail', status_detail))
    FROM settled
)
SELECT p.campaign_id, array_agg(p.id) AS job_ids, s.status AS campaign_status,
       -- What was queued at the beginning has ended otherwise meanwhile.
       p.campaign_id IN (SELECT id FROM going_on) AND bool_and(g.queued = 0 AND g.sending = 0) AS may_be_done
FROM posted p
JOIN progress g ON g.campaign_id = p.campaign_id
LEFT JOIN settled s ON s.id = p.campaign_id
GROUP BY p.campaign_id, s.status
