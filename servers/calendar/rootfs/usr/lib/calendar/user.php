<?php
// user.php NAME: see calendar-user. DAViCal's own functions, which expect a request and a session.
$_SERVER['SERVER_NAME'] = php_uname('n');
$_SERVER['SCRIPT_NAME'] = '/user.php';
require_once('./always.php');
require_once('auth-functions.php');

$fail = function ($text) {
    fwrite(STDERR, "calendar-user: $text\n");
    exit(1);
};
$name = $argv[1];
preg_match('/^[a-z0-9][a-z0-9._@-]*$/', $name) || $fail("`$name` is no name of a user");
$password = rtrim((string) fgets(STDIN), "\r\n");
strlen($password) >= 8 || $fail('a password has at least 8 bytes');
$hash = session_salted_sha1($password, bin2hex(random_bytes(8)));

$principal = new Principal('username', $name);
if ($principal->Exists()) {
    $principal->Update(['password' => $hash, 'user_active' => true]);
} else {
    $principal->Create(['username' => $name, 'fullname' => $name, 'password' => $hash]);
}
CreateHomeCollections($name) || $fail(implode("\n", $c->messages));
CreateDefaultRelationships($name);
