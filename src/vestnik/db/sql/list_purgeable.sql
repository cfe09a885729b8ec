-- Ended campaigns whose jobs have been kept long enough, and those whose purge was interrupted, the oldest first.
-- The look for jobs that are left is no EXISTS, which could be hashed, and has an order: both keep it on the index of
-- campaign and job, where anything else would read the whole ledger.
SELECT c.id
FROM public.campaigns c
JOIN public.campaign_progress p ON p.campaign_id = c.id
WHERE c.status IN ('COMPLETED', 'CANCELLED', 'FAILED')
  AND c.ended_at <= clock_timestamp() - CAST(:keep_for AS interval)
  AND c.deleted_at IS NULL -- those go as a whole, whatever is to be kept
  AND p.total > 0 AND p.queued = 0 AND p.sending = 0
  AND (c.purged_at IS NULL
       OR (SELECT j.id FROM public.jobs j
           WHERE (j.campaign_id, j.id) > (c.id, 0) AND (j.campaign_id, j.id) <= (c.id, 9223372036854775807)
           ORDER BY j.campaign_id, j.id LIMIT 1) IS NOT NULL)
ORDER BY c.ended_at, c.id
LIMIT :batch
