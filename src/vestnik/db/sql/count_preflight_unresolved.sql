-- How many channels of a preflight could still be found: active ones without an address.
SELECT count(*)::int AS missing
FROM public.preflights f
JOIN public.campaigns c ON c.id = f.campaign_id
JOIN public.batch_channels bc ON bc.batch_id = c.batch_id
JOIN public.channels ch ON ch.id = bc.channel_id AND ch.is_active AND ch.deleted_at IS NULL
LEFT JOIN public.channel_peers p ON p.account_id = c.account_id AND p.channel_id = bc.channel_id
WHERE f.id = :preflight_id AND coalesce(p.is_active, true) AND p.access_hash IS NULL
