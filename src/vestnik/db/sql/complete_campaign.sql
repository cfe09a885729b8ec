-- Complete a campaign that has nothing left, when its last job ended before its expansion did, or beside posts that were
-- recorded while something was still queued.
WITH campaign AS MATERIALIZED (
    SELECT c.id FROM public.campaigns c
    WHERE c.id = :campaign_id AND c.expanded_at IS NOT NULL AND c.status IN ('RUNNING', 'PAUSED')
    FOR NO KEY UPDATE
), counter AS MATERIALIZED (
    -- Locked, because what has been put back into the queue meanwhile is not in this statement's snapshot.
    SELECT p.campaign_id FROM public.campaign_progress p
    JOIN campaign c ON c.id = p.campaign_id
    WHERE p.queued = 0 AND p.sending = 0
    FOR NO KEY UPDATE OF p
), completed AS (
    UPDATE public.campaigns c
    SET status = 'COMPLETED', pause_reason = NULL, status_detail = NULL, ended_at = clock_timestamp(),
        updated_at = clock_timestamp()
    FROM counter x
    WHERE c.id = x.campaign_id
    RETURNING c.id
), audited AS (
    INSERT INTO public.audit_logs (actor_kind, actor, action, entity_type, entity_id, after)
    SELECT 'SYSTEM', 'engine', 'campaign.completed', 'campaign', id, jsonb_build_object('status', 'COMPLETED')
    FROM completed
)
SELECT id FROM completed
