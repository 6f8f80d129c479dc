-- The release before inserts with ON CONFLICT and no longer needs it. Its DELETE, planned while the table was empty,
-- scanned the whole table for each row: after 40,000 rows, a batch took too long to record more.
DROP TRIGGER wait_anew ON pending_invalidation;
DROP FUNCTION wait_anew();
