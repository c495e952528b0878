<?php
// The database is reached through its socket; PostgreSQL asks the kernel who is there.
$c->pg_connect[] = 'dbname=davical user=davical';
$c->domain_name = php_uname('n');
$c->admin_email = 'root@' . $c->domain_name;
$c->system_name = 'Calendars';
