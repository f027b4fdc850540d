"""Runs the whole system on this machine: backing services, provisioning, mail sink and the four services.

    with System() as system:                      # everything is up and ready inside the block
        system.amqp_uri, system.mongo_uri         # addresses, credentials included; the vhost is this system's own where the broker allows it
        system.management_uri                     # the broker's management page with credentials, or None
        system.database_prefix                    # databases are `<prefix>_<service>`; system.database("certification") names one
        system.backing                            # touchstone_devkit.backing.Backing: kind ("environment", "docker", "native"), reason, ...
        system.mail_folder                        # pathlib.Path; one `.eml` file for each message that the SMTP server accepted
        system.log_folder                         # pathlib.Path; `<process>.log`
        system.http_uris["certification"]         # "http://127.0.0.1:<port>" with /live, /ready and /metrics
        system.processes["certification"].pid     # current process id; also "mail-sink"; .restarts counts restarts after a death
        system.kill("certification", signal.SIGKILL)   # to the process only; it is started again with backoff
        system.wait_until_ready(timeout_s=60)     # after a kill: until every process is up and every /ready says yes
        system.token("assessor", cab="dnv-uk")    # a fresh caller token (compact JWS, life five minutes); other claims by name, `sub=` too
        system.environment                        # dict of what the services see beyond os.environ; for `touchstone ...` commands too
        system.run("touchstone", "status", "x")   # subprocess.CompletedProcess of a command in this environment (text, output captured)

Arguments, all by name and all optional: `backing` (a started Backing; else one is started here and stopped with the system),
`database_prefix`, `sandbox` (True lets the clock be moved), `http_ports` and `smtp_port` (else free ones), `environment`
(more variables for the services), `announce` (called with each line of progress; prints by default).
"""
