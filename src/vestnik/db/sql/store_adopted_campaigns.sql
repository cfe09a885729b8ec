-- The campaigns that are taken over: TEST ones rehearse, LIVE ones post as the account "default".
INSERT INTO public.campaigns
    (id, legacy_id, name, account_id, account_kind, batch_id, template_id, mode, status, pause_reason, status_detail,
     delivery_rate, retry_limit, content, scheduled_at, started_at, expanded_at, ended_at, created_at, updated_at)
SELECT n.id, n.legacy_id, n.name, a.id, a.kind, n.batch_id, n.template_id, n.mode, n.status,
       CASE WHEN n.status = 'PAUSED' THEN 'OPERATOR' END, n.status_detail,
       n.delivery_rate, n.retry_limit, n.content, n.scheduled_at, n.started_at, n.expanded_at, n.ended_at,
       n.created_at, n.updated_at
FROM new_campaigns n
JOIN public.accounts a ON a.name = CASE n.mode WHEN 'TEST' THEN CAST(:rehearsal AS text) ELSE CAST(:live AS text) END
WHERE n.reason IS NULL
ORDER BY n.place
