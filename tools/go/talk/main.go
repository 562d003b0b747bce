// Talk is both ends of the conversations of the end-to-end tests: HTTP/1.1 and HTTP/2, WebSocket,
// gRPC, TLS of its own, and TCP where the server speaks first.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

const usage = `talk serve NAME TLSNAME     HTTP on 8081 and 8086, gRPC on 8082, TLS on 8083, TCP on 8084 and 8085
talk ws URL COUNT PAUSE     send messages over a WebSocket
talk grpc ADDRESS COUNT PAUSE SIZE
talk lines ADDRESS SNI COUNT PAUSE    SNI: name to ask for with TLS, or "" for TCP
talk http VERSION URL COUNT PAUSE     requests on one connection; VERSION 1 or 2
`

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Println("error:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	wanted := map[string]int{"serve": 3, "ws": 4, "grpc": 5, "lines": 5, "http": 5}
	if len(args) == 0 || wanted[args[0]] != len(args) {
		return fmt.Errorf("usage:\n%s", usage)
	}
	switch args[0] {
	case "serve":
		return serve(args[1], args[2])
	case "ws":
		return webSocket(args[1], number(args[2]), pause(args[3]))
	case "grpc":
		return callGRPC(args[1], number(args[2]), pause(args[3]), number(args[4]))
	case "lines":
		return lines(args[1], args[2], number(args[3]), pause(args[4]))
	default:
		return requests(args[1], args[2], number(args[3]), pause(args[4]))
	}
}

func number(text string) int {
	found, err := strconv.Atoi(text)
	if err != nil {
		panic(err)
	}
	return found
}

func pause(text string) time.Duration {
	found, err := time.ParseDuration(text)
	if err != nil {
		panic(err)
	}
	return found
}
