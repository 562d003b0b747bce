module tools/bookinfo

go 1.26.0
