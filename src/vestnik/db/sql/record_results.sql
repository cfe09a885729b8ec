-- Record what became of claimed jobs, with the counters, in one statement.
-- Success is recorded by id wherever it is not recorded yet: a post that exists is a fact, whoever holds the lease
-- now. Everything else is recorded only for the claim that it belongs to, as this statement is repeated when its
-- answer gets lost and the same holder may have claimed the job again. A job that would go back to the queue of
-- a cancelled or failed campaign ends instead. Locks in the order campaigns, jobs, progress, channel_peers, channels.
WITH result AS MATERIALIZED (
    SELECT * FROM jsonb_to_recordset(CAST(:results AS jsonb)) AS r (
        job_id bigint, claim_epoch bigint, claims int, outcome text, message_ids bigint[], error_code text,
        error_message text, delay float8, attempted bool, maybe_sent bool, counts_against_channel bool, deactivate text,
        channel_hold float8, forget_peer bool)
), campaign AS MATERIALIZED (
    SELECT c.id, c.status FROM public.campaigns c
    WHERE c.id IN (SELECT j.campaign_id FROM public.jobs j JOIN result r ON r.job_id = j.id)
    ORDER BY c.id
    FOR UPDATE
), locked AS MATERIALIZED (
    SELECT j.id, j.campaign_id, j.account_id, j.channel_id, j.status AS old_status, c.status AS campaign_status,
           j.claim_epoch, j.claims
    FROM public.jobs j
    JOIN campaign c ON c.id = j.campaign_id
    WHERE j.id IN (SELECT job_id FROM result)
    ORDER BY j.id
    FOR NO KEY UPDATE OF j
), decided AS MATERIALIZED (
    SELECT l.id, l.campaign_id, l.account_id, l.channel_id, l.old_status, r.message_ids, r.error_message, r.delay,
           r.attempted, r.maybe_sent, r.counts_against_channel, r.deactivate, r.channel_hold, r.forget_peer,
           CASE WHEN r.outcome <> 'QUEUED' OR l.campaign_status NOT IN ('CANCELLED', 'FAILED') THEN r.outcome
                WHEN r.maybe_sent THEN 'FAILED' ELSE 'CANCELLED' END AS new_status,
           CASE WHEN r.outcome = 'QUEUED' AND l.campaign_status IN ('CANCELLED', 'FAILED') AND r.maybe_sent
                THEN 'UNKNOWN_OUTCOME' ELSE r.error_code END AS error_code
    FROM locked l
    JOIN result r ON r.job_id = l.id
    WHERE CASE r.outcome WHEN 'SENT' THEN l.old_status <> 'SENT'
          ELSE l.old_status = 'SENDING' AND l.claim_epoch = r.claim_epoch AND l.claims = r.claims END
), moved AS (
    UPDATE public.jobs j
    SET status = d.new_status,
        maybe_sent = d.maybe_sent,
        attempts = j.attempts + d.attempted::int,
        not_before = clock_timestamp() + make_interval(secs => d.delay),
        message_ids = coalesce(d.message_ids, j.message_ids),
        error_code = CASE d.new_status WHEN 'SENT' THEN NULL ELSE coalesce(d.error_code, j.error_code) END,
        error_message = CASE d.new_status WHEN 'SENT' THEN NULL ELSE coalesce(d.error_message, j.error_message) END,
        sent_at = CASE d.new_status WHEN 'SENT' THEN clock_timestamp() ELSE j.sent_at END,
        failed_at = CASE d.new_status WHEN 'FAILED' THEN clock_timestamp() WHEN 'SENT' THEN NULL ELSE j.failed_at END
    FROM decided d
    WHERE j.id = d.id
), delta AS (
    SELECT campaign_id,
           (count(*) FILTER (WHERE new_status = 'QUEUED') - count(*) FILTER (WHERE old_status = 'QUEUED'))::int AS queued,
           (count(*) FILTER (WHERE new_status = 'SENT'))::int AS sent,
           (count(*) FILTER (WHERE new_status = 'FAILED') - count(*) FILTER (WHERE old_status = 'FAILED'))::int AS failed,
           (count(*) FILTER (WHERE new_status = 'CANCELLED')
            - count(*) FILTER (WHERE old_status = 'CANCELLED'))::int AS cancelled,
           (count(*) FILTER (WHERE old_status = 'SENDING'))::int AS left_sending
    FROM decided GROUP BY campaign_id
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
    SET total = x.total, queued = x.queued + d.queued, sending = x.sending - d.left_sending, sent = x.sent + d.sent,
        failed = x.failed + d.failed, cancelled = x.cancelled + d.cancelled, version = x.version + 1,
        updated_at = clock_timestamp(),
        minute_started_at = x.this_minute,
        minute_sent = d.sent + CASE WHEN x.minute_started_at = x.this_minute THEN x.minute_sent ELSE 0 END,
        previous_minute_sent = CASE x.this_minute - x.minute_started_at
            WHEN interval '0' THEN x.previous_minute_sent WHEN interval '1 minute' THEN x.minute_sent ELSE 0 END
    FROM delta d JOIN counter x ON x.campaign_id = d.campaign_id
    WHERE p.campaign_id = d.campaign_id
    RETURNING p.campaign_id, p.queued, p.sending, p.sent - p.brake_sent AS sent, p.failed - p.brake_failed AS failed
), peer AS MATERIALIZED (
    SELECT p.account_id, p.channel_id, d.new_status, d.campaign_id, d.error_code, d.counts_against_channel,
           d.channel_hold, d.forget_peer,
           d.deactivate IS NOT NULL
           OR d.counts_against_channel AND p.consecutive_failures + 1 >= :failures_to_deactivate AS deactivates
    FROM public.channel_peers p
    JOIN decided d ON d.account_id = p.account_id AND d.channel_id = p.channel_id
    WHERE d.new_status = 'SENT' AND p.consecutive_failures > 0
       OR d.counts_against_channel OR d.deactivate IS NOT NULL OR d.channel_hold IS NOT NULL OR d.forget_peer
    ORDER BY p.channel_id
    FOR NO KEY UPDATE OF p
), peers AS (
    UPDATE public.channel_peers p
    SET consecutive_failures = CASE WHEN x.new_status = 'SENT' THEN 0
            ELSE p.consecutive_failures + x.counts_against_channel::int END,
        hold_until = CASE WHEN x.channel_hold IS NULL THEN p.hold_until
            ELSE greatest(p.hold_until, clock_timestamp() + make_interval(secs => x.channel_hold)) END,
        access_hash = CASE WHEN x.forget_peer THEN NULL ELSE p.access_hash END,
        is_active = p.is_active AND NOT x.deactivates,
        inactive_reason = CASE WHEN p.is_active AND x.deactivates THEN x.error_code ELSE p.inactive_reason END,
        inactive_since = CASE WHEN p.is_active AND x.deactivates THEN clock_timestamp() ELSE p.inactive_since END,
        inactive_campaign_id = CASE WHEN p.is_active AND x.deactivates THEN x.campaign_id
            ELSE p.inactive_campaign_id END
    FROM peer x
    WHERE p.account_id = x.account_id AND p.channel_id = x.channel_id
), channel AS (
    UPDATE public.channels ch
    SET is_active = false, inactive_reason = d.error_code, inactive_since = clock_timestamp(),
        inactive_campaign_id = d.campaign_id, updated_at = clock_timestamp()
    FROM decided d
    WHERE d.deactivate = 'CHANNEL' AND ch.id = d.channel_id AND ch.is_active
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
    WHERE c.id = p.campaign_id
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
SELECT d.id, d.campaign_id, d.new_status, s.status AS campaign_status
FROM decided d LEFT JOIN settled s ON s.id = d.campaign_id
