-- Keep how this account addresses channels; a pair that an operator or an error deactivated stays inactive.
INSERT INTO public.channel_peers AS p
    (account_id, channel_id, tg_id, access_hash, can_post, slow_mode_seconds, resolved_at)
SELECT :account_id, r.channel_id, r.tg_id, r.access_hash, r.can_post, r.slow_mode_seconds, clock_timestamp()
FROM jsonb_to_recordset(CAST(:peers AS jsonb)) AS r (
    channel_id uuid, tg_id bigint, access_hash bigint, can_post bool, slow_mode_seconds int)
ORDER BY r.channel_id
ON CONFLICT (account_id, channel_id) DO UPDATE
SET tg_id = excluded.tg_id, access_hash = excluded.access_hash, can_post = excluded.can_post,
    slow_mode_seconds = excluded.slow_mode_seconds, resolved_at = excluded.resolved_at
