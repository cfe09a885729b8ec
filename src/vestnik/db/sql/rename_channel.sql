-- Give a channel the name that Telegram shows, or its bare id when it has none any more. Nobody changed anything, so the
-- revision stays. The caller holds the lock on names.
WITH renamed AS (
    UPDATE public.channels ch
    SET username = :new_name, updated_at = clock_timestamp(),
        tg_id = CASE WHEN CAST(:new_name AS text) IS NULL THEN :tg_id ELSE ch.tg_id END
    WHERE ch.id = :channel_id AND ch.deleted_at IS NULL AND ch.username = :old_name
    RETURNING ch.id
)
INSERT INTO public.audit_logs (actor_kind, actor, action, entity_type, entity_id, before, after)
SELECT 'SYSTEM', 'engine', 'channel.renamed', 'channel', id,
       jsonb_build_object('username', CAST(:old_name AS text)), jsonb_build_object('username', CAST(:new_name AS text))
FROM renamed
