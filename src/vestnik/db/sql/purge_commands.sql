-- Delete some commands that ended long ago; rows that another worker is about to delete are passed over.
DELETE FROM public.account_commands
WHERE id IN (
    SELECT k.id FROM public.account_commands k
    WHERE k.status IN ('DONE', 'FAILED', 'EXPIRED')
      AND k.finished_at <= clock_timestamp() - CAST(:keep_for AS interval)
    LIMIT :batch
    FOR UPDATE SKIP LOCKED
)
RETURNING id
