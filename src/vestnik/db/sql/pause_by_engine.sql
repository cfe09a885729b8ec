-- Pause a campaign for a reason found while sending; an operator's own pause or cancel wins.
UPDATE public.campaigns
SET status = 'PAUSED', pause_reason = :reason, status_detail = :detail, updated_at = clock_timestamp()
WHERE id = :campaign_id AND status = 'RUNNING'
RETURNING id
