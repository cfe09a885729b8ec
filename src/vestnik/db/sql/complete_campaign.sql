-- Complete a campaign whose last job ended before its expansion did.
UPDATE public.campaigns c
SET status = 'COMPLETED', ended_at = clock_timestamp(), updated_at = clock_timestamp()
FROM public.campaign_progress p
WHERE c.id = :campaign_id AND p.campaign_id = c.id AND p.queued = 0 AND p.sending = 0
  AND c.expanded_at IS NOT NULL AND c.status = 'RUNNING'
RETURNING c.id
