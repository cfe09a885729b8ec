-- The counters of the campaigns that have begun, and their posts minute by minute.
WITH counted AS (
    SELECT c.id, count(j.id)::int AS total,
           (count(j.id) FILTER (WHERE j.status = 'QUEUED'))::int AS queued,
           (count(j.id) FILTER (WHERE j.status = 'SENT'))::int AS sent,
           (count(j.id) FILTER (WHERE j.status = 'FAILED'))::int AS failed,
           (count(j.id) FILTER (WHERE j.status = 'CANCELLED'))::int AS cancelled
    FROM public.campaigns c
    LEFT JOIN public.jobs j ON j.campaign_id = c.id
    WHERE c.started_at IS NOT NULL
    GROUP BY c.id
), minutes AS (
    INSERT INTO public.campaign_minutes (campaign_id, minute, sent)
    SELECT j.campaign_id, date_trunc('minute', j.sent_at), count(*)
    FROM public.jobs j
    WHERE j.status = 'SENT'
    GROUP BY 1, 2
)
INSERT INTO public.campaign_progress
    (campaign_id, total, queued, sent, failed, cancelled, brake_sent, brake_failed, version)
SELECT id, total, queued, sent, failed, cancelled, sent, failed, 1 FROM counted
