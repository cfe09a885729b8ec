-- Keep how this account posts an uploaded file; a later upload takes the place of an earlier one. The lease fences
-- former holders. A file that was deleted meanwhile is left out: no campaign needs it.
WITH lease AS MATERIALIZED (
    SELECT account_id FROM public.account_leases
    WHERE account_id = :account_id AND epoch = :epoch AND lease_until > clock_timestamp()
    FOR SHARE
), kept AS MATERIALIZED (
    SELECT id FROM public.media WHERE id = :media_id FOR KEY SHARE
)
INSERT INTO public.account_media (account_id, media_id, is_photo, file_id, access_hash, file_reference, uploaded_at)
SELECT lease.account_id, kept.id, :is_photo, :file_id, :access_hash, :file_reference, clock_timestamp()
FROM lease, kept
ON CONFLICT (account_id, media_id) DO UPDATE
SET is_photo = excluded.is_photo, file_id = excluded.file_id, access_hash = excluded.access_hash,
    file_reference = excluded.file_reference, uploaded_at = excluded.uploaded_at
