-- All that an account's lane needs to know, in one round trip: one row per running campaign, one row without a
-- campaign when there is none. Times are durations in seconds from now, by the database's clock; the
-- next slot's is negative when it has passed, by a day when there never was one.
SELECT a.state, a.rate::float8 AS account_rate, a.session_version,
       (SELECT extract(epoch FROM h.until - clock_timestamp())::float8 FROM public.account_holds h
        WHERE h.account_id = a.id AND h.scope = 'SEND' AND h.until > clock_timestamp()) AS send_hold,
       (SELECT extract(epoch FROM h.until - clock_timestamp())::float8 FROM public.account_holds h
        WHERE h.account_id = a.id AND h.scope = 'RESOLVE' AND h.until > clock_timestamp()) AS resolve_hold,
       EXISTS (SELECT 1 FROM public.account_commands k
               WHERE k.account_id = a.id AND k.status IN ('PENDING', 'STARTED')) AS has_commands,
       c.id AS campaign_id, c.delivery_rate::float8 AS campaign_rate, c.retry_limit, c.revision,
       c.expanded_at IS NOT NULL AS is_expanded, p.queued, p.sending,
       coalesce(extract(epoch FROM c.next_slot_at - clock_timestamp()), -86400)::float8 AS next_slot_in,
       (SELECT extract(epoch FROM min(j.not_before) - clock_timestamp())::float8 FROM public.jobs j
        WHERE j.campaign_id = c.id AND j.queue_part = 'RETURNED') AS next_return_in
FROM public.accounts a
LEFT JOIN public.campaigns c ON c.account_id = a.id AND c.status = 'RUNNING'
LEFT JOIN public.campaign_progress p ON p.campaign_id = c.id
WHERE a.id = :account_id
ORDER BY c.id
