// Bookinfo stands in for the images of Istio's Bookinfo sample where no registry can be reached:
// one binary that is productpage, details, reviews or ratings, by its first argument.
//
// It speaks the HTTP API of the originals and reads the same environment variables, so that the
// same manifests run either. One addition: each answer carries the header x-bookinfo-served-by,
// which lists the pods (and their clusters) that took part in it.
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"net/http"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const servedBy = "X-Bookinfo-Served-By"

// Headers that tie the calls of one request together, for whatever tracing is in use, and those
// that belong to the user.
var propagated = []string{
	"x-request-id", "traceparent", "tracestate", "baggage",
	"b3", "x-b3-traceid", "x-b3-spanid", "x-b3-parentspanid", "x-b3-sampled", "x-b3-flags",
	"x-ot-span-context", "x-cloud-trace-context", "grpc-trace-bin", "sw8",
	"x-datadog-trace-id", "x-datadog-parent-id", "x-datadog-sampling-priority",
	"end-user", "user-agent", "cookie", "authorization", "jwt",
}

var services = map[string]func(*http.ServeMux){
	"productpage": productpage,
	"details":     details,
	"reviews":     reviews,
	"ratings":     ratings,
}

func main() {
	if len(os.Args) < 2 || services[os.Args[1]] == nil {
		log.Fatal("usage: bookinfo productpage|details|reviews|ratings [PORT]")
	}
	port := "9080"
	if len(os.Args) > 2 {
		port = os.Args[2]
	}
	mux := http.NewServeMux()
	services[os.Args[1]](mux)
	server := &http.Server{Addr: ":" + port, Handler: mux, ReadHeaderTimeout: 10 * time.Second}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	drained := make(chan struct{})
	go func() {
		<-ctx.Done()
		bounded, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		_ = server.Shutdown(bounded)
		close(drained)
	}()
	log.Printf("%s listens on port %s", os.Args[1], port)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		log.Fatal(err)
	}
	<-drained
}

func env(name, fallback string) string { return cmp.Or(os.Getenv(name), fallback) }

func podName() string {
	host, _ := os.Hostname()
	return env("HOSTNAME", host)
}

// clusterName is "null" when it is not set, as the original reviews service has it.
func clusterName() string { return env("CLUSTER_NAME", "null") }

// upstream is a Bookinfo service that this one calls.
type upstream struct {
	url     string // with the endpoint, without the product
	timeout time.Duration
	client  *http.Client
}

func newUpstream(name string, timeout time.Duration) upstream {
	upper := strings.ToUpper(name)
	host, port := env(upper+"_HOSTNAME", name), env(upper+"_SERVICE_PORT", "9080")
	if domain := os.Getenv("SERVICES_DOMAIN"); domain != "" {
		host += "." + domain
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.MaxIdleConnsPerHost = 64
	return upstream{fmt.Sprintf("http://%s:%s/%s/", host, port, name), timeout, &http.Client{Transport: transport}}
}

// get fetches the product's document into `into`, and returns the status (500 when there was no
// answer) and who served it.
func (u upstream) get(incoming *http.Request, product string, into any) (int, string) {
	ctx, cancel := context.WithTimeout(incoming.Context(), u.timeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, u.url+product, nil)
	if err != nil {
		log.Print(err)
		return http.StatusInternalServerError, ""
	}
	for _, name := range propagated {
		if value := incoming.Header.Get(name); value != "" {
			request.Header.Set(name, value)
		}
	}
	response, err := u.client.Do(request)
	if err != nil {
		log.Print(err)
		return http.StatusInternalServerError, ""
	}
	defer response.Body.Close()
	body, err := io.ReadAll(io.LimitReader(response.Body, 1<<20))
	if err == nil && response.StatusCode == http.StatusOK {
		err = json.Unmarshal(body, into)
	}
	if err != nil {
		log.Printf("%s: %v", u.url, err)
		return http.StatusInternalServerError, ""
	}
	if response.StatusCode != http.StatusOK {
		log.Printf("%s: %s", u.url, response.Status)
	}
	return response.StatusCode, response.Header.Get(servedBy)
}

// answer writes JSON, and says who served it: this pod and those behind it.
func answer(w http.ResponseWriter, status int, document any, behind ...string) {
	w.Header().Set("Content-Type", "application/json")
	sign(w, behind...)
	w.WriteHeader(status)
	if err := json.NewEncoder(w).Encode(document); err != nil {
		log.Print(err)
	}
}

func sign(w http.ResponseWriter, behind ...string) {
	parts := []string{podName() + "@" + clusterName()}
	for _, part := range behind {
		if part != "" {
			parts = append(parts, part)
		}
	}
	w.Header().Set(servedBy, strings.Join(parts, ", "))
}

func failure(text string) map[string]string { return map[string]string{"error": text} }

func health(mux *http.ServeMux, name string) {
	mux.HandleFunc("GET /health", func(w http.ResponseWriter, r *http.Request) {
		answer(w, http.StatusOK, map[string]string{"status": name + " is healthy"})
	})
}

// product reads the number in the path, and answers 400 when there is none.
func product(w http.ResponseWriter, r *http.Request) (int, bool) {
	id, err := strconv.Atoi(r.PathValue("id"))
	if err != nil {
		answer(w, http.StatusBadRequest, failure("please provide numeric product ID"))
	}
	return id, err == nil
}
