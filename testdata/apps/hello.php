<?php
// A page for php-cgi. README.md lists its paths.
header('Content-Type: text/plain');

$query = $_SERVER['QUERY_STRING'] ?? '';
$path = $_SERVER['PATH_INFO'] ?? '';
if ($path === '') {
    $path = parse_url($_SERVER['REQUEST_URI'] ?? '/', PHP_URL_PATH);
}

switch ($path) {
    case '/':
        echo "hello\n";
        break;
    case '/sleep':
        $ms = (int) ($_GET['ms'] ?? 0);
        usleep($ms * 1000);
        echo "slept $ms\n";
        break;
    case '/big':
        for ($left = (int) ($_GET['bytes'] ?? 0); $left > 0; $left -= 65536) {
            echo str_repeat('x', min($left, 65536));
        }
        return;
    case '/echo':
        $body = file_get_contents('php://input');
        printf("length %d\nsha1 %s\n", strlen($body), sha1($body));
        break;
    case '/die':
        throw new RuntimeException('asked to die');
    case '/env':
        // local_only: the process's environment, not the request's parameters.
        echo getenv($query, true) ?: '', "\n";
        break;
    default:
        http_response_code(404);
        echo "no such path\n";
}
printf("pid %d\n", getmypid());
