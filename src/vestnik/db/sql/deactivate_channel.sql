-- Deactivate a channel for every account: its name is nobody's.
UPDATE public.channels
SET is_active = false, inactive_reason = :reason, inactive_since = clock_timestamp(), updated_at = clock_timestamp()
WHERE id = :channel_id AND is_active
