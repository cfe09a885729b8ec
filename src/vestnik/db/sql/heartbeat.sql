-- Say that this worker is alive, forget those not seen for a day, and count the living.
WITH mine AS (
    INSERT INTO public.workers (holder, host, pid) VALUES (:holder, :host, :pid)
    ON CONFLICT (holder) DO UPDATE SET seen_at = clock_timestamp()
), gone AS (
    DELETE FROM public.workers WHERE seen_at < clock_timestamp() - interval '1 day' AND holder <> :holder
)
SELECT (SELECT count(*) FROM public.workers
        WHERE holder <> :holder AND seen_at > clock_timestamp() - CAST(:alive_for AS interval))::int + 1 AS workers,
       (SELECT count(*) FROM public.accounts WHERE state = 'ACTIVE')::int AS accounts
