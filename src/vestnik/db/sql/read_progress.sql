-- Counters and shown status of some campaigns. It is run twice a second while anybody watches, so it reads nothing
-- that grows: one row a table, and the last retry from the end of the index of returned jobs.
SELECT c.id AS campaign_id, c.status, c.pause_reason, c.status_detail, c.delivery_rate,
       a.name AS account_name, a.state AS account_state, a.state_reason AS account_state_reason,
       a.rate AS account_rate, h.until AS hold_until,
       c.started_at IS NOT NULL AND c.expanded_at IS NULL AND c.status IN ('RUNNING', 'PAUSED') AS is_expanding,
       p.total, p.queued, p.sending, p.sent, p.failed, p.cancelled, p.version,
       p.minute_started_at, p.minute_sent, p.previous_minute_sent,
       CASE WHEN c.status = 'RUNNING' THEN (
           SELECT sum(r.delivery_rate) FROM public.campaigns r
           WHERE r.account_id = c.account_id AND r.status = 'RUNNING') END AS account_demand,
       CASE WHEN c.status = 'RUNNING' AND jsonb_typeof(c.content -> 'files') = 'array'
            THEN greatest(jsonb_array_length(c.content -> 'files'), 1) ELSE 1 END AS messages,
       CASE WHEN c.status = 'RUNNING' THEN (
           SELECT j.not_before FROM public.jobs j
           WHERE j.campaign_id = c.id AND j.queue_part = 'RETURNED'
           ORDER BY j.campaign_id DESC, j.not_before DESC LIMIT 1) END AS last_return_at,
       clock_timestamp() AS read_at
FROM public.campaigns c
JOIN public.accounts a ON a.id = c.account_id
LEFT JOIN public.campaign_progress p ON p.campaign_id = c.id
LEFT JOIN public.account_holds h
    ON h.account_id = c.account_id AND h.scope = 'SEND' AND h.until > clock_timestamp()
WHERE c.id = ANY (CAST(:campaign_ids AS uuid[])) AND c.deleted_at IS NULL
