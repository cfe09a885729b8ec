-- Put a message about an alert in line for each destination, but for one that the alert itself is about. The end is
-- told where the beginning was, or may have been.
INSERT INTO public.alert_notifications (alert_id, destination_id, occasion)
SELECT a.id, d.id, :occasion
FROM public.alerts a
JOIN public.alert_destinations d ON d.is_active AND d.id IS DISTINCT FROM a.subject_id
WHERE a.id = :alert_id
  AND (:occasion <> 'RESOLVED' OR EXISTS (
      SELECT FROM public.alert_notifications n
      WHERE n.alert_id = a.id AND n.destination_id = d.id
        AND (n.status = 'SENT' OR n.status = 'PENDING')))
ORDER BY d.id
RETURNING id
