-- Workers are woken beside the transaction that puts a job in, for all that are committed at that moment: kit/bell.py.
DROP TRIGGER procrastinate_jobs_notify_queue_job_inserted_v1 ON procrastinate_jobs;
