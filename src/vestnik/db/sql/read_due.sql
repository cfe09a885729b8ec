-- By mode: running campaigns that have a message due and whose account may post now, and by how many seconds the one
-- that is behind most is behind its own pace. What a campaign has not been able to use yet does not count: the time
-- before its next slot, before the account's, before the end of a hold, before messages to be retried are due.
-- Messages that were never claimed are due at once; there are some if more are queued than came back. Of those that
-- came back a thousand are looked at, so that the cost has a bound.
SELECT d.mode, count(*) AS campaigns, greatest(max(d.behind), 0)::float8 AS behind
FROM (
    SELECT c.mode,
           extract(epoch FROM clock_timestamp() - greatest(
               c.started_at, c.next_slot_at, l.next_slot_at, h.until,
               CASE WHEN p.queued <= r.number THEN r.first_due END)) AS behind
    FROM public.campaigns c
    JOIN public.campaign_progress p ON p.campaign_id = c.id AND p.queued > 0
    JOIN public.accounts a ON a.id = c.account_id AND a.state = 'ACTIVE'
    LEFT JOIN public.account_leases l ON l.account_id = a.id
    LEFT JOIN public.account_holds h ON h.account_id = a.id AND h.scope = 'SEND'
    CROSS JOIN LATERAL (
        SELECT count(*) AS number, min(x.not_before) AS first_due
        FROM (SELECT j.not_before FROM public.jobs j
              WHERE j.campaign_id = c.id AND j.queue_part = 'RETURNED'
              ORDER BY j.not_before LIMIT 1000) x
    ) r
    WHERE c.status = 'RUNNING' AND c.deleted_at IS NULL
      AND (h.until IS NULL OR h.until <= clock_timestamp())
      AND (p.queued > r.number OR r.first_due <= clock_timestamp())
) d
GROUP BY d.mode
