-- Campaigns of which too large a part failed: those that go on once there are enough results to tell, completed ones
-- for a day. One that has paused itself for it is told of in another way.
SELECT c.id, c.name, p.failed, p.sent + p.failed AS results
FROM public.campaigns c
JOIN public.campaign_progress p ON p.campaign_id = c.id
WHERE c.deleted_at IS NULL
  AND p.failed > CAST(:share AS float8) * (p.sent + p.failed)
  AND (c.status = 'RUNNING' AND p.sent + p.failed >= :enough
       OR c.status = 'PAUSED' AND c.pause_reason = 'OPERATOR' AND p.sent + p.failed >= :enough
       OR c.status = 'COMPLETED' AND c.ended_at > clock_timestamp() - interval '1 day')
ORDER BY c.updated_at DESC, c.id
LIMIT :limit
