-- The report is whole.
UPDATE public.preflights
SET finished_at = clock_timestamp(), total = :total, ready = :total - :failing - :waiting, failing = :failing,
    waiting = :waiting, warned = :warned
WHERE id = :preflight_id
