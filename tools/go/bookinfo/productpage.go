package main

import (
	"bytes"
	_ "embed"
	"html/template"
	"log"
	"net/http"
	"strings"
	"time"
)

//go:embed page.html
var pageSource string

var page = template.Must(template.New("page").Funcs(template.FuncMap{
	"stars": func(n int) string {
		n = min(max(n, 0), 5)
		return strings.Repeat("★", n) + strings.Repeat("☆", 5-n)
	},
	"list": func(text string) []string { return strings.Split(text, ", ") },
}).Parse(pageSource))

type bookProduct struct {
	ID              int           `json:"id"`
	Title           string        `json:"title"`
	DescriptionHTML template.HTML `json:"descriptionHtml"`
}

var products = []bookProduct{{
	Title: "The Comedy of Errors",
	DescriptionHTML: `<a href="https://en.wikipedia.org/wiki/The_Comedy_of_Errors">Wikipedia Summary</a>: ` +
		`The Comedy of Errors is one of <b>William Shakespeare's</b> early plays. It is his shortest and ` +
		`one of his most farcical comedies, with a major part of the humour coming from slapstick and ` +
		`mistaken identity, in addition to puns and word play.`,
}}

// view is what the page shows.
type view struct {
	Product       bookProduct
	User          string
	DetailsStatus int
	Details       book
	ReviewsStatus int
	Reviews       bookReviews
	Path          string // who took part
}

func productpage(mux *http.ServeMux) {
	detailsService := newUpstream("details", 3*time.Second)
	reviewsService := newUpstream("reviews", 3*time.Second)
	ratingsService := newUpstream("ratings", 3*time.Second)

	// Tried twice, as in the original.
	getReviews := func(r *http.Request, id string, into *bookReviews) (int, string) {
		status, behind := reviewsService.get(r, id, into)
		if status != http.StatusOK {
			status, behind = reviewsService.get(r, id, into)
		}
		return status, behind
	}

	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		sign(w)
		_, _ = w.Write([]byte("Product page is healthy"))
	})
	mux.Handle("GET /{$}", http.RedirectHandler("/productpage", http.StatusFound))
	mux.HandleFunc("GET /productpage", func(w http.ResponseWriter, r *http.Request) {
		shown := view{Product: products[0], User: user(r)}
		var behindDetails, behindReviews string
		shown.DetailsStatus, behindDetails = detailsService.get(withUser(r), "0", &shown.Details)
		shown.ReviewsStatus, behindReviews = getReviews(withUser(r), "0", &shown.Reviews)
		sign(w, behindDetails, behindReviews)
		shown.Path = w.Header().Get(servedBy)
		var text bytes.Buffer
		if err := page.Execute(&text, shown); err != nil {
			log.Print(err)
			http.Error(w, "the page cannot be shown", http.StatusInternalServerError)
			return
		}
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		_, _ = w.Write(text.Bytes())
	})
	mux.HandleFunc("POST /login", func(w http.ResponseWriter, r *http.Request) {
		setUser(w, r, r.PostFormValue("username"))
	})
	mux.HandleFunc("GET /logout", func(w http.ResponseWriter, r *http.Request) { setUser(w, r, "") })

	mux.HandleFunc("GET /api/v1/products", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, products)
	})
	mux.HandleFunc("GET /api/v1/products/{id}", func(w http.ResponseWriter, r *http.Request) {
		var found book
		status, behind := detailsService.get(withUser(r), r.PathValue("id"), &found)
		relay(w, "details", status, behind, found)
	})
	mux.HandleFunc("GET /api/v1/products/{id}/reviews", func(w http.ResponseWriter, r *http.Request) {
		var found bookReviews
		status, behind := getReviews(withUser(r), r.PathValue("id"), &found)
		relay(w, "reviews", status, behind, found)
	})
	mux.HandleFunc("GET /api/v1/products/{id}/ratings", func(w http.ResponseWriter, r *http.Request) {
		var found bookRatings
		status, behind := ratingsService.get(withUser(r), r.PathValue("id"), &found)
		relay(w, "ratings", status, behind, found)
	})
}

func relay(w http.ResponseWriter, what string, status int, behind string, found any) {
	if status != http.StatusOK {
		found = failure("Sorry, product " + what + " are currently unavailable for this book.")
	}
	answer(w, status, found, behind)
}

// The user is whoever they say they are; it only serves to route by the header end-user.
func user(r *http.Request) string {
	if cookie, err := r.Cookie("user"); err == nil {
		return cookie.Value
	}
	return ""
}

func withUser(r *http.Request) *http.Request {
	copied := r.Clone(r.Context())
	copied.Header.Del("end-user")
	if name := user(r); name != "" {
		copied.Header.Set("end-user", name)
	}
	return copied
}

func setUser(w http.ResponseWriter, r *http.Request, name string) {
	cookie := http.Cookie{Name: "user", Value: name, Path: "/", HttpOnly: true, SameSite: http.SameSiteLaxMode}
	if name == "" {
		cookie.MaxAge = -1
	}
	http.SetCookie(w, &cookie)
	http.Redirect(w, r, "/productpage", http.StatusFound)
}
