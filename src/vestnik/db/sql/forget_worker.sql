-- A worker that stops takes itself off the list.
DELETE FROM public.workers WHERE holder = :holder
