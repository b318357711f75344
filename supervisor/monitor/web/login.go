package web

import (
	"html/template"
	"net/http"
)

var loginPage = template.Must(template.New("login").Parse(`<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<meta name="color-scheme" content="light dark">
<title>fcgisup monitor</title>
{{with .Style}}<link rel="stylesheet" href="{{.}}">
{{end}}</head>
<body class="login">
<main>
<h1>fcgisup monitor</h1>
{{with .Why}}<p role="alert">{{.}}</p>
{{end}}<form method="post" action="/login">
<p><label>Token <input type="password" name="token" autocomplete="current-password" required autofocus></label>
<button>Log in</button></p>
</form>
</main>
</body>
</html>
`))

func (s *server) drawLogin(w http.ResponseWriter, code int, why string) {
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(code)
	_ = loginPage.Execute(w, struct{ Style, Why string }{s.Style, why}) // the client has gone
}

func (s *server) loginForm(w http.ResponseWriter, r *http.Request) {
	if token, _ := s.Token(); token == "" || bears(r, token) {
		http.Redirect(w, r, "/", http.StatusSeeOther)
		return
	}
	s.drawLogin(w, http.StatusOK, "")
}

func (s *server) login(w http.ResponseWriter, r *http.Request) {
	token, _ := s.Token()
	if err := readForm(w, r); token != "" && (err != nil || !same(r.PostForm.Get("token"), token)) {
		s.drawLogin(w, http.StatusUnauthorized, "That is not the token.")
		return
	}
	if token != "" {
		setCookie(w, r, token)
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}
