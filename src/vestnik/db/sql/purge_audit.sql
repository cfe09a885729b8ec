-- Delete the oldest entries of the audit log, some at most, through the function that leaves an entry about it.
-- What became too old since the last purge waits for the end of the day, or each look would leave such an entry.
SELECT public.vestnik_purge_audit(CAST(:keep_for AS interval), CAST(:batch AS integer)) AS gone
WHERE CAST(:is_going_on AS boolean) OR EXISTS (
    SELECT FROM public.audit_logs
    WHERE created_at < clock_timestamp() - CAST(:keep_for AS interval) - interval '1 day'
)
