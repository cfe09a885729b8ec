-- Stop one account from posting to a channel that it cannot address.
INSERT INTO public.channel_peers AS p
    (account_id, channel_id, is_active, inactive_reason, inactive_since)
VALUES (:account_id, :channel_id, false, :reason, clock_timestamp())
ON CONFLICT (account_id, channel_id) DO UPDATE
SET is_active = false, inactive_reason = excluded.inactive_reason, inactive_since = excluded.inactive_since
WHERE p.is_active
