package main

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/gorilla/websocket"
)

func serve(name, tlsName string) error {
	config, err := ownCertificate(tlsName)
	if err != nil {
		return err
	}
	failed := make(chan error)
	go func() { failed <- serveHTTP(name, ":8081") }()
	go func() { failed <- serveHTTP(name, ":8086") }()
	go func() { failed <- serveGRPC(name, ":8082") }()
	go func() { failed <- serveLines("tls "+name, ":8083", config) }()
	go func() { failed <- serveLines("tcp 8084 "+name, ":8084", nil) }()
	go func() { failed <- serveLines("tcp 8085 "+name, ":8085", nil) }()
	return <-failed
}

func serveHTTP(name, address string) error {
	mux := http.NewServeMux()
	mux.HandleFunc("/proto", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s %s\n", name, r.Proto)
	})
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(w, r.Body)
	})
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		time.Sleep(pause(r.FormValue("for")))
		fmt.Fprintln(w, name)
	})
	mux.HandleFunc("/stream", stream)
	mux.HandleFunc("/flaky", flaky())
	mux.HandleFunc("/ws", echoWebSocket)
	var protocols http.Protocols
	protocols.SetHTTP1(true)
	protocols.SetUnencryptedHTTP2(true)
	server := &http.Server{Addr: address, Handler: mux, Protocols: &protocols}
	return server.ListenAndServe()
}

// A line at a time, with a pause after each.
func stream(w http.ResponseWriter, r *http.Request) {
	for count := range number(r.FormValue("count")) {
		fmt.Fprintln(w, count)
		_ = http.NewResponseController(w).Flush()
		time.Sleep(pause(r.FormValue("pause")))
	}
}

// 503 so many times for a key, and then the number of calls that there were.
func flaky() http.HandlerFunc {
	var lock sync.Mutex
	calls := map[string]int{}
	return func(w http.ResponseWriter, r *http.Request) {
		lock.Lock()
		calls[r.FormValue("key")]++
		count := calls[r.FormValue("key")]
		lock.Unlock()
		if count <= number(r.FormValue("fail")) {
			w.WriteHeader(http.StatusServiceUnavailable)
		}
		fmt.Fprintln(w, count)
	}
}

func echoWebSocket(w http.ResponseWriter, r *http.Request) {
	upgrader := websocket.Upgrader{}
	connection, err := upgrader.Upgrade(w, r, nil)
	if err != nil {
		return
	}
	defer connection.Close()
	for {
		kind, message, err := connection.ReadMessage()
		if err != nil || connection.WriteMessage(kind, message) != nil {
			return
		}
	}
}

// Greets first, as databases do, and then repeats every line.
func serveLines(greeting, address string, config *tls.Config) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	if config != nil {
		listener = tls.NewListener(listener, config)
	}
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			fmt.Fprintln(connection, greeting)
			scanner := bufio.NewScanner(connection)
			for scanner.Scan() {
				fmt.Fprintln(connection, scanner.Text())
			}
		}()
	}
}

// A certificate that no mesh has signed.
func ownCertificate(name string) (*tls.Config, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "application of " + name},
		DNSNames:     []string{name},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(24 * time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return &tls.Config{Certificates: []tls.Certificate{certificate}}, nil
}
