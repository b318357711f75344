/* A FastCGI program on libfcgi. README.md lists its paths. */
#include <fcgiapp.h>
#include <inttypes.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROTATE(x, n) (((x) << (n)) | ((x) >> (32 - (n))))

struct sha1 {
	uint32_t state[5];
	unsigned char block[64];
	uint64_t length;
};

static void sha1_block(struct sha1 *s)
{
	static const uint32_t k[4] = {0x5a827999, 0x6ed9eba1, 0x8f1bbcdc, 0xca62c1d6};
	uint32_t w[80], v[5], f, t;

	for (int i = 0; i < 16; i++)
		w[i] = (uint32_t)s->block[4 * i] << 24 | s->block[4 * i + 1] << 16 |
		       s->block[4 * i + 2] << 8 | s->block[4 * i + 3];
	for (int i = 16; i < 80; i++)
		w[i] = ROTATE(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
	memcpy(v, s->state, sizeof v);
	for (int i = 0; i < 80; i++) {
		if (i < 20)
			f = (v[1] & v[2]) | (~v[1] & v[3]);
		else if (i >= 40 && i < 60)
			f = (v[1] & v[2]) | (v[1] & v[3]) | (v[2] & v[3]);
		else
			f = v[1] ^ v[2] ^ v[3];
		t = ROTATE(v[0], 5) + f + v[4] + k[i / 20] + w[i];
		v[4] = v[3], v[3] = v[2], v[2] = ROTATE(v[1], 30), v[1] = v[0], v[0] = t;
	}
	for (int i = 0; i < 5; i++)
		s->state[i] += v[i];
}

static void sha1_add(struct sha1 *s, const unsigned char *data, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		s->block[s->length++ % 64] = data[i];
		if (s->length % 64 == 0)
			sha1_block(s);
	}
}

static void sha1_end(struct sha1 *s)
{
	static const unsigned char one = 0x80, zero = 0;
	unsigned char bits[8];
	uint64_t n = s->length * 8;

	for (int i = 0; i < 8; i++)
		bits[i] = n >> (56 - 8 * i);
	sha1_add(s, &one, 1);
	while (s->length % 64 != 56)
		sha1_add(s, &zero, 1);
	sha1_add(s, bits, sizeof bits);
}

static long number(const char *query, const char *key)
{
	const char *at = strstr(query, key);

	return at ? strtol(at + strlen(key), NULL, 10) : 0;
}

static void echo(FCGX_Request *r)
{
	struct sha1 s = {.state = {0x67452301, 0xefcdab89, 0x98badcfe, 0x10325476, 0xc3d2e1f0}};
	char chunk[65536];
	uint64_t length;
	int n;

	while ((n = FCGX_GetStr(chunk, sizeof chunk, r->in)) > 0)
		sha1_add(&s, (unsigned char *)chunk, n);
	length = s.length;
	sha1_end(&s);
	FCGX_FPrintF(r->out, "length %ld\nsha1 ", (long)length);
	for (int i = 0; i < 20; i++)
		FCGX_FPrintF(r->out, "%02x", (unsigned)(s.state[i / 4] >> (24 - 8 * (i % 4)) & 0xff));
	FCGX_FPrintF(r->out, "\n");
}

static void big(FCGX_Request *r, long left)
{
	char chunk[65536];

	memset(chunk, 'x', sizeof chunk);
	for (; left > 0; left -= sizeof chunk)
		FCGX_PutStr(chunk, left < (long)sizeof chunk ? left : (long)sizeof chunk, r->out);
}

static void nap(FCGX_Request *r, long ms)
{
	struct timespec t = {ms / 1000, ms % 1000 * 1000000};

	nanosleep(&t, NULL);
	FCGX_FPrintF(r->out, "slept %ld\n", ms);
}

static const char *param(FCGX_Request *r, const char *name)
{
	const char *value = FCGX_GetParam(name, r->envp);

	return value ? value : "";
}

static void serve(FCGX_Request *r, long count)
{
	const char *query = param(r, "QUERY_STRING"), *path = param(r, "PATH_INFO"), *value;

	if (!*path)
		path = param(r, "SCRIPT_NAME");
	if (strcmp(path, "/die") == 0)
		abort();
	FCGX_FPrintF(r->out, "Content-Type: text/plain\r\n");
	if (strcmp(path, "/big") == 0) {
		FCGX_FPrintF(r->out, "\r\n");
		big(r, number(query, "bytes="));
		return;
	}
	if (!*path || strcmp(path, "/") == 0) {
		FCGX_FPrintF(r->out, "\r\nhello\n");
	} else if (strcmp(path, "/sleep") == 0) {
		FCGX_FPrintF(r->out, "\r\n");
		nap(r, number(query, "ms="));
	} else if (strcmp(path, "/echo") == 0) {
		FCGX_FPrintF(r->out, "\r\n");
		echo(r);
	} else if (strcmp(path, "/env") == 0) {
		value = getenv(query);
		FCGX_FPrintF(r->out, "\r\n%s\n", value ? value : "");
	} else if (strcmp(path, "/count") == 0) {
		FCGX_FPrintF(r->out, "\r\ncount %ld\n", count);
	} else {
		FCGX_FPrintF(r->out, "Status: 404 Not Found\r\n\r\nno such path\n");
	}
	FCGX_FPrintF(r->out, "pid %d\n", (int)getpid());
}

int main(void)
{
	FCGX_Request r;

	FCGX_Init();
	FCGX_InitRequest(&r, 0, 0);
	for (long count = 1; FCGX_Accept_r(&r) == 0; count++) {
		serve(&r, count);
		FCGX_Finish_r(&r);
	}
	return 0;
}
