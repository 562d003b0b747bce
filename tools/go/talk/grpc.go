package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/protobuf/types/known/wrapperspb"
)

const (
	unary = "/talk.Talk/Say"
	bidi  = "/talk.Talk/Chat"
)

type talker interface{ name() string }

type named string

func (n named) name() string { return string(n) }

func serveGRPC(name, address string) error {
	listener, err := net.Listen("tcp", address)
	if err != nil {
		return err
	}
	server := grpc.NewServer()
	server.RegisterService(&grpc.ServiceDesc{
		ServiceName: "talk.Talk",
		HandlerType: (*talker)(nil),
		Methods:     []grpc.MethodDesc{{MethodName: "Say", Handler: say}},
		Streams: []grpc.StreamDesc{
			{StreamName: "Chat", Handler: chat, ServerStreams: true, ClientStreams: true},
		},
	}, named(name))
	return server.Serve(listener)
}

func say(
	server any, _ context.Context, decode func(any) error, _ grpc.UnaryServerInterceptor,
) (any, error) {
	var asked wrapperspb.StringValue
	if err := decode(&asked); err != nil {
		return nil, err
	}
	return wrapperspb.String(server.(talker).name() + " " + asked.Value), nil
}

func chat(_ any, stream grpc.ServerStream) error {
	for {
		var message wrapperspb.StringValue
		err := stream.RecvMsg(&message)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if err := stream.SendMsg(&message); err != nil {
			return err
		}
	}
}

// One call, and then a stream on which a message of the size goes forth and back so many times.
func callGRPC(address string, count int, every time.Duration, size int) error {
	connection, err := grpc.NewClient(
		"passthrough:///"+address, grpc.WithTransportCredentials(insecure.NewCredentials()),
	)
	if err != nil {
		return err
	}
	defer connection.Close()
	lifetime := time.Duration(count)*every + patience
	ctx, cancel := context.WithTimeout(context.Background(), lifetime)
	defer cancel()
	var answer wrapperspb.StringValue
	if err := connection.Invoke(ctx, unary, wrapperspb.String("said"), &answer); err != nil {
		return err
	}
	fmt.Println("unary", answer.Value)
	desc := &grpc.StreamDesc{ServerStreams: true, ClientStreams: true}
	stream, err := connection.NewStream(ctx, desc, bidi)
	if err != nil {
		return err
	}
	sent := strings.Repeat("x", size)
	for number := range count {
		if number > 0 {
			time.Sleep(every)
		}
		if err := stream.SendMsg(wrapperspb.String(sent)); err != nil {
			return err
		}
		if err := stream.RecvMsg(&answer); err != nil {
			return err
		}
		if answer.Value != sent {
			return fmt.Errorf("sent %d bytes, got %d others", len(sent), len(answer.Value))
		}
	}
	if err := stream.CloseSend(); err != nil {
		return err
	}
	if err := stream.RecvMsg(&answer); !errors.Is(err, io.EOF) {
		return fmt.Errorf("the stream did not end well: %w", err)
	}
	fmt.Println("stream", count)
	return nil
}
