-- Channels among an account's dialogs of whose members and slow mode Telegram was not asked lately; those in slow mode
-- first, because posting depends on it.
SELECT p.channel_id, p.tg_id, p.access_hash FROM public.channel_peers p
JOIN public.channels ch ON ch.id = p.channel_id AND ch.deleted_at IS NULL
WHERE p.account_id = :account_id AND p.listed_at IS NOT NULL AND p.gone_since IS NULL AND p.can_post
  AND p.access_hash IS NOT NULL
  AND (p.details_at IS NULL OR p.details_at <= clock_timestamp() - CAST(:fresh_for AS interval))
ORDER BY (p.slow_mode_seconds IS NULL), p.details_at NULLS FIRST, p.channel_id
LIMIT :most
