-- Keep what Telegram told of one channel; without anything told, that it was asked.
UPDATE public.channel_peers
SET details_at = clock_timestamp(), member_count = coalesce(:member_count, member_count),
    slow_mode_seconds = CASE WHEN CAST(:is_told AS bool) THEN :slow_mode_seconds ELSE slow_mode_seconds END
WHERE account_id = :account_id AND channel_id = :channel_id
