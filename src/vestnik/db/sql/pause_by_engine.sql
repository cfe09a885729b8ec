-- Pause a campaign for a reason found while sending; an operator's own pause or cancel wins.
WITH paused AS (
    UPDATE public.campaigns
    SET status = 'PAUSED', pause_reason = :reason, status_detail = :detail, updated_at = clock_timestamp()
    WHERE id = :campaign_id AND status = 'RUNNING'
    RETURNING id, pause_reason, status_detail
), audited AS (
    INSERT INTO public.audit_logs (actor_kind, actor, action, entity_type, entity_id, after)
    SELECT 'SYSTEM', 'engine', 'campaign.paused', 'campaign', id,
           jsonb_build_object('status', 'PAUSED', 'reason', pause_reason, 'detail', status_detail)
    FROM paused
)
SELECT id FROM paused
