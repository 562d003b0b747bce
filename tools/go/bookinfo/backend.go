package main

import (
	"encoding/json"
	"io"
	"net/http"
	"os"
	"strconv"
	"sync"
	"time"
)

type book struct {
	ID        int    `json:"id"`
	Author    string `json:"author"`
	Year      int    `json:"year"`
	Type      string `json:"type"`
	Pages     int    `json:"pages"`
	Publisher string `json:"publisher"`
	Language  string `json:"language"`
	ISBN10    string `json:"ISBN-10"`
	ISBN13    string `json:"ISBN-13"`
}

func details(mux *http.ServeMux) {
	health(mux, "Details")
	mux.HandleFunc("GET /details/{id}", func(w http.ResponseWriter, r *http.Request) {
		if id, ok := product(w, r); ok {
			answer(w, http.StatusOK, book{
				ID: id, Author: "William Shakespeare", Year: 1595, Type: "paperback", Pages: 200,
				Publisher: "PublisherA", Language: "English",
				ISBN10: "1234567890", ISBN13: "123-1234567890",
			})
		}
	})
}

// bookReviews is what reviews answers; the ID is a string in the original too.
type bookReviews struct {
	ID          string   `json:"id"`
	PodName     string   `json:"podname"`
	ClusterName string   `json:"clustername"`
	Reviews     []review `json:"reviews"`
}

type review struct {
	Reviewer string  `json:"reviewer"`
	Text     string  `json:"text"`
	Rating   *rating `json:"rating,omitempty"`
}

// rating has stars and their color, or the error.
type rating struct {
	Stars int    `json:"stars,omitempty"`
	Color string `json:"color,omitempty"`
	Error string `json:"error,omitempty"`
}

type bookRatings struct {
	ID      int            `json:"id"`
	Ratings map[string]int `json:"ratings"`
}

// reviews has no ratings (v1), or asks the ratings service and shows stars in black (v2) or in
// another color (v3): ENABLE_RATINGS and STAR_COLOR, which the images of each version set.
func reviews(mux *http.ServeMux) {
	enabled, color := os.Getenv("ENABLE_RATINGS") == "true", env("STAR_COLOR", "black")
	timeout := 2500 * time.Millisecond
	if color == "black" {
		timeout = 10 * time.Second // as in the original: Istio's fault injection task needs it
	}
	upstream := newUpstream("ratings", timeout)
	health(mux, "Reviews")
	mux.HandleFunc("GET /reviews/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := product(w, r)
		if !ok {
			return
		}
		found := []review{
			{Reviewer: "Reviewer1", Text: "An extremely entertaining play by Shakespeare. The slapstick humour is refreshing!"},
			{Reviewer: "Reviewer2", Text: "Absolutely fun and entertaining. The play lacks thematic depth when compared to other plays by Shakespeare."},
		}
		behind := ""
		if enabled {
			var stars bookRatings
			_, behind = upstream.get(r, strconv.Itoa(id), &stars)
			for i := range found {
				if n, ok := stars.Ratings[found[i].Reviewer]; ok {
					found[i].Rating = &rating{Stars: n, Color: color}
				} else {
					found[i].Rating = &rating{Error: "Ratings service is currently unavailable"}
				}
			}
		}
		answer(w, http.StatusOK, bookReviews{strconv.Itoa(id), podName(), clusterName(), found}, behind)
	})
}

// ratings are kept in memory; a POST replaces those of one product.
func ratings(mux *http.ServeMux) {
	var lock sync.Mutex
	posted := map[int]map[string]int{}
	health(mux, "Ratings")
	mux.HandleFunc("GET /ratings/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := product(w, r)
		if !ok {
			return
		}
		lock.Lock()
		stars := posted[id]
		lock.Unlock()
		if stars == nil {
			stars = map[string]int{"Reviewer1": 5, "Reviewer2": 4}
		}
		answer(w, http.StatusOK, bookRatings{id, stars})
	})
	mux.HandleFunc("POST /ratings/{id}", func(w http.ResponseWriter, r *http.Request) {
		id, ok := product(w, r)
		if !ok {
			return
		}
		var stars map[string]int
		if err := json.NewDecoder(io.LimitReader(r.Body, 1<<16)).Decode(&stars); err != nil || stars == nil {
			answer(w, http.StatusBadRequest, failure("please provide valid ratings JSON"))
			return
		}
		lock.Lock()
		if len(posted) < 1000 { // a bound on memory, not a feature
			posted[id] = stars
		}
		lock.Unlock()
		answer(w, http.StatusOK, bookRatings{id, stars})
	})
}
