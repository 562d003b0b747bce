package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptrace"
	"strings"
	"time"

	"github.com/gorilla/websocket"
)

const patience = 15 * time.Second

func webSocket(url string, count int, every time.Duration) error {
	connection, answer, err := websocket.DefaultDialer.Dial(url, nil)
	if err != nil {
		return fmt.Errorf("%w (%v)", err, answer)
	}
	defer connection.Close()
	for number := range count {
		if number > 0 {
			time.Sleep(every)
		}
		sent := fmt.Sprint("message ", number)
		if err := connection.WriteMessage(websocket.TextMessage, []byte(sent)); err != nil {
			return err
		}
		_ = connection.SetReadDeadline(time.Now().Add(patience))
		_, got, err := connection.ReadMessage()
		if err != nil || string(got) != sent {
			return fmt.Errorf("sent %q, got %q: %w", sent, got, err)
		}
	}
	fmt.Println("repeated", count)
	return nil
}

// Requests one after the other; says whether all but the first found their connection open.
func requests(version, url string, count int, every time.Duration) error {
	var protocols http.Protocols
	protocols.SetHTTP1(version == "1")
	protocols.SetUnencryptedHTTP2(version == "2")
	client := &http.Client{Transport: &http.Transport{Protocols: &protocols}, Timeout: patience}
	reused := 0
	trace := &httptrace.ClientTrace{GotConn: func(info httptrace.GotConnInfo) {
		if info.Reused {
			reused++
		}
	}}
	ctx := httptrace.WithClientTrace(context.Background(), trace)
	for number := range count {
		if number > 0 {
			time.Sleep(every)
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
		if err != nil {
			return err
		}
		answer, err := client.Do(request)
		if err != nil {
			return err
		}
		body, err := io.ReadAll(answer.Body)
		answer.Body.Close()
		if err != nil {
			return err
		}
		fmt.Println(answer.StatusCode, strings.TrimSpace(string(body)))
	}
	fmt.Println("reused", reused)
	return nil
}

// Reads a greeting, then sends lines and reads what comes back.
func lines(address, sni string, count int, every time.Duration) error {
	connection, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	defer connection.Close()
	if sni != "" {
		secure := tls.Client(connection, &tls.Config{ServerName: sni, InsecureSkipVerify: true})
		_ = connection.SetDeadline(time.Now().Add(patience))
		if err := secure.Handshake(); err != nil {
			return err
		}
		connection = secure
		fmt.Println("certificate of", secure.ConnectionState().PeerCertificates[0].Subject.CommonName)
	}
	reader := bufio.NewReader(connection)
	for number := range count + 1 {
		if number > 1 {
			time.Sleep(every)
		}
		_ = connection.SetDeadline(time.Now().Add(patience))
		if number > 0 {
			fmt.Fprintln(connection, "line", number)
		}
		got, err := reader.ReadString('\n')
		if err != nil {
			return err
		}
		fmt.Print(got)
	}
	return nil
}
